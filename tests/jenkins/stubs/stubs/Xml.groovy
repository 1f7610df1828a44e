package stubs

/** The operators that Job DSL gives to XML: `/` is the child of that name, made where there is none, `<<` adds one. */
class Xml {
    static Node div(Node node, String name) {
        return node.children().find { it.name() == name } ?: node.appendNode(name)
    }

    static Node leftShift(Node node, Node child) {
        node.append(child)
        return node
    }
}
