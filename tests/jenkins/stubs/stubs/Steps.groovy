package stubs

import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/**
 * The steps that the library and the Jenkinsfiles use, and Declarative Pipeline. A step that is not here fails the run.
 *
 * It is not Jenkins: nothing is transformed to be continued after a restart, and nothing runs in a sandbox.
 */
abstract class Steps extends Script {
    World getWorld() {
        return binding.getVariable('world') as World
    }

    Object propertyMissing(String name) {
        if (world.library.containsKey(name)) {
            return world.library[name]
        }
        throw new MissingPropertyException(name, this.class)
    }

    Object methodMissing(String name, Object args) {
        if (world.library.containsKey(name)) {
            return world.library[name].invokeMethod('call', args)
        }
        throw new MissingMethodException(name, this.class, args as Object[])
    }

    void echo(String message) {
        world.note('echo', message)
    }

    void error(String message) {
        world.note('error', message)
        throw new StepFailed(message)
    }

    void sleep(Map args) {
        assert args.unit == 'SECONDS'
        world.note('sleep', args.time, world.agents)
        world.durationMs += args.time * 1000L
        if (world.given.abortInSleep) {
            throw new FlowInterruptedException()
        }
    }

    void sh(String script) {
        needsAgent('sh')
        world.note('sh', script, world.env.findAll { it.value != null })
        if (world.given.fails.any { script.contains(it) }) {
            throw new StepFailed('script returned exit code 1')
        }
    }

    void writeFile(Map args) {
        needsAgent('writeFile')
        world.note('writeFile', args.file, args.text)
    }

    void node(String label, Closure body) {
        world.agents += 1
        try {
            body()
        } finally {
            world.agents -= 1
        }
    }

    String readFile(Map args) {
        needsAgent('readFile')
        if (!world.given.files.containsKey(args.file)) {
            throw new java.nio.file.NoSuchFileException(args.file)
        }
        return world.given.files[args.file]
    }

    Map checkout(Object scm) {
        needsAgent('checkout')
        world.note('checkout')
        return new TreeMap(world.given.scm)
    }

    void deleteDir() {
        needsAgent('deleteDir')
        world.note('deleteDir')
    }

    TestResultSummary junit(Map args) {
        needsAgent('junit')
        TestResultSummary summary = new TestResultSummary(world.given.junit)
        if (summary.failCount > 0) {
            world.worsen('UNSTABLE')
        }
        return summary
    }

    void withEnv(List<String> values, Closure body) {
        Map<String, Object> before = new LinkedHashMap<>(world.env)
        for (value in values) {
            world.env[value.substring(0, value.indexOf('='))] = value.substring(value.indexOf('=') + 1)
        }
        body()
        world.env.clear()
        world.env.putAll(before)
    }

    void withCredentials(List<Map> bindings, Closure body) {
        for (one in bindings) {
            if (one.kind == 'file') {
                needsAgent('a secret file')
            }
            if (!world.given.credentials.containsKey(one.credentialsId)) {
                throw new StepFailed("Could not find credentials entry with ID '${one.credentialsId}'")
            }
            world.env[one.variable] = world.given.credentials[one.credentialsId]
        }
        world.note('withCredentials', bindings*.credentialsId)
        try {
            body()
        } finally {
            bindings.each { world.env.remove(it.variable) }
            world.note('withoutCredentials')
        }
    }

    Map string(Map args) {
        return args + [kind: 'string']
    }

    Map file(Map args) {
        return args + [kind: 'file']
    }

    void container(String name, Closure body) {
        needsAgent('container')
        world.note('container', name)
        body()
    }

    void script(Closure body) {
        body()
    }

    void pipeline(Closure body) {
        Section whole = Section.read('', body, this)
        try {
            whole.run()
        } catch (FlowInterruptedException stopped) {
            world.worsen('ABORTED')
            world.note('failed', 'aborted')
        } catch (Exception problem) {
            // Only here: within a stage that has an agent, Jenkins may still say SUCCESS.
            world.worsen('FAILURE')
            world.note('failed', problem.message)
        }
        whole.runPost()
    }

    private void needsAgent(String step) {
        if (world.agents == 0) {
            throw new StepFailed("Required context class hudson.FilePath is missing: ${step} needs an agent")
        }
    }
}
