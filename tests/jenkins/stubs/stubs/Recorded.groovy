package stubs

import groovy.xml.XmlUtil

/** Writes down calls, with the calls in their blocks. */
class Recorded {
    List<List> calls = []

    /** What Job DSL lets a script do to the XML of an item, done to an empty one. */
    void configure(Closure change) {
        Node item = new Node(null, 'item')
        change.delegate = new NodeBuilder()
        change.resolveStrategy = Closure.DELEGATE_FIRST
        use(Xml) { change.call(item) }
        calls << ['configure', [XmlUtil.serialize(item)], []]
    }

    Object methodMissing(String name, Object args) {
        List given = (args as List)
        List inner = []
        if (given && given.last() instanceof Closure) {
            Recorded within = new Recorded()
            Section.within(given.last(), within)
            inner = within.calls
            given = given.init()
        }
        calls << [name, given, inner]
        return null
    }
}
