package stubs

/** The variable `env`: what is not set is null. */
class Env {
    private final World world

    Env(World world) {
        this.world = world
    }

    Object getProperty(String name) {
        return world.env[name]
    }

    void setProperty(String name, Object value) {
        world.env[name] = value.toString()
    }
}
