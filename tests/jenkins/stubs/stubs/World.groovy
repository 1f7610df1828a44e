package stubs

/** One build: what Jenkins would know of it, and what the pipeline did. */
class World {
    final Map given
    final Map<String, Object> env
    final List<List> log = []
    final Map library = [:]
    String result = null
    long durationMs
    int agents = 0
    boolean isSkippedAfterUnstable = false
    boolean isCheckedOutByDefault = true

    World(Map given) {
        this.given = given
        env = new LinkedHashMap<>(given.env)
        durationMs = given.build.duration
    }

    void note(Object... said) {
        log << (said as List)
    }

    void worsen(String to) {
        List<String> order = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']
        if (order.indexOf(to) > order.indexOf(result ?: 'SUCCESS')) {
            result = to
        }
    }
}
