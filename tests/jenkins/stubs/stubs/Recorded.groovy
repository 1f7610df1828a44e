package stubs

/** Writes down calls, with the calls in their blocks. */
class Recorded {
    List<List> calls = []

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
