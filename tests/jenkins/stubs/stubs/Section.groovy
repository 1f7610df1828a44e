package stubs

/** A pipeline or a stage of Declarative Pipeline: read whole, then run in the order that Jenkins has. */
class Section {
    static final String NO_AGENT = 'none'
    String name
    Steps jenkins
    Map<String, Closure> parts = [:]
    Object agentPart

    static Section read(String name, Closure body, Steps jenkins) {
        Section section = new Section(name: name, jenkins: jenkins)
        Section.within(body, section)
        return section
    }

    static void within(Closure body, Object delegate) {
        body.delegate = delegate
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body.call()
    }

    String getNone() {
        return NO_AGENT
    }

    void agent(Object where) {
        agentPart = where
    }

    void agent(Closure where) {
        Recorded recorded = new Recorded()
        within(where, recorded)
        agentPart = recorded.calls
    }

    void when(Closure body) { parts.when = body }

    void options(Closure body) { parts.options = body }

    void environment(Closure body) { parts.environment = body }

    void steps(Closure body) { parts.steps = body }

    void stages(Closure body) { parts.stages = body }

    void parallel(Closure body) { parts.parallel = body }

    void post(Closure body) { parts.post = body }

    void run() {
        World world = jenkins.world
        if (parts.when && !Condition.holds(parts.when, world)) {
            world.note('skipped', name)
            return
        }
        if (parts.options) {
            Recorded recorded = new Recorded()
            within(parts.options, recorded)
            world.isSkippedAfterUnstable |= recorded.calls.any { it[0] == 'skipStagesAfterUnstable' }
            world.isCheckedOutByDefault &= !recorded.calls.any { it[0] == 'skipDefaultCheckout' }
        }
        if (parts.environment) {
            within(parts.environment, new Env(world))
        }
        boolean hasAgent = agentPart != null && agentPart != NO_AGENT
        if (name) {
            world.note('stage', name, hasAgent ? agentPart : null)
        }
        // These are there while the stage has the agent on which Declarative Pipeline checked out, and not later.
        Map<String, String> checkedOut = hasAgent && world.isCheckedOutByDefault ? world.given.scm : [:]
        world.env.putAll(checkedOut)
        world.agents += hasAgent ? 1 : 0
        try {
            runBody(world)
        } finally {
            if (name) {
                runPost()
            }
            world.agents -= hasAgent ? 1 : 0
            world.env.keySet().removeAll(checkedOut.keySet())
        }
    }

    private void runBody(World world) {
        if (parts.steps) {
            parts.steps.call()
        }
        if (parts.stages) {
            for (stage in stagesOf(parts.stages)) {
                if (world.isSkippedAfterUnstable && world.result == 'UNSTABLE') {
                    world.note('skipped', stage.name)
                } else {
                    stage.run()
                }
            }
        }
        if (parts.parallel) {
            Exception first = null
            for (stage in stagesOf(parts.parallel)) {
                try {
                    stage.run()
                } catch (Exception problem) {
                    first = first ?: problem
                }
            }
            if (first) {
                throw first
            }
        }
    }

    void runPost() {
        if (parts.post) {
            within(parts.post, new Post())
        }
    }

    private List<Section> stagesOf(Closure body) {
        Collector collector = new Collector(jenkins: jenkins)
        within(body, collector)
        return collector.stages
    }
}
