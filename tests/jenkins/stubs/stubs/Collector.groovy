package stubs

/** Reads the stages of a block. */
class Collector {
    Steps jenkins
    List<Section> stages = []

    void stage(String name, Closure body) {
        stages << Section.read(name, body, jenkins)
    }
}
