package stubs

/** The variable `currentBuild`: only what RunWrapper has. */
class CurrentBuild {
    private final World world

    CurrentBuild(World world) {
        this.world = world
    }

    String getFullProjectName() {
        return world.given.build.job
    }

    int getNumber() {
        return world.given.build.number
    }

    long getStartTimeInMillis() {
        return world.given.build.start
    }

    long getDuration() {
        return world.durationMs
    }

    String getResult() {
        return world.result
    }

    String getCurrentResult() {
        return world.result ?: 'SUCCESS'
    }
}
