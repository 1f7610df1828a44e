package stubs

/** The conditions of `when`. */
class Condition {
    World world
    List<Boolean> found = []

    static List<Boolean> of(Closure body, World world) {
        Condition condition = new Condition(world: world)
        Section.within(body, condition)
        return condition.found
    }

    static boolean holds(Closure body, World world) {
        return Condition.of(body, world).every { it }
    }

    void beforeAgent(boolean isBefore) {
        assert isBefore
    }

    void not(Closure body) {
        found << !Condition.holds(body, world)
    }

    void anyOf(Closure body) {
        found << Condition.of(body, world).any { it }
    }

    void branch(Map args) {
        assert args.comparator == 'REGEXP'
        found << (world.env.BRANCH_NAME != null && world.env.BRANCH_NAME ==~ args.pattern)
    }

    void changeRequest(Map args = [:]) {
        assert !args || args.comparator == 'REGEXP'
        found << (world.env.CHANGE_ID != null && (!args || world.env.CHANGE_BRANCH ==~ args.branch))
    }

    void buildingTag() {
        found << (world.env.TAG_NAME != null)
    }
}
