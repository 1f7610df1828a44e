// run.groovy INPUT OUTPUT: runs many pipelines in one JVM. INPUT is {library, cases, checks, jobs, provided}, see groovy_runs.py.

import groovy.json.JsonOutput
import groovy.json.JsonSlurperClassic
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer
import stubs.CurrentBuild
import stubs.Env
import stubs.Recorded
import stubs.Rules
import stubs.Section
import stubs.Steps
import stubs.World

Map asked = new JsonSlurperClassic().parse(new File(args[0]), 'UTF-8')
Map answer = [cases: [:], checks: [:], jobs: [:]]

CompilerConfiguration settings = new CompilerConfiguration(scriptBaseClass: Steps.name)
settings.addCompilationCustomizers(new ImportCustomizer().addImports('stubs.Library', 'com.cloudbees.groovy.cps.NonCPS'))
// Parsed once: a script's class is made anew for each file otherwise, which is most of the time.
GroovyClassLoader loader = new GroovyClassLoader(this.class.classLoader, settings)
Map<String, Class> parsed = [:].withDefault { String text -> loader.parseClass(text) }

Closure runCase = { Map given ->
    World world = new World(given)
    Binding binding = new Binding(world: world, env: new Env(world), currentBuild: new CurrentBuild(world), scm: [:])
    new File(asked.library).eachFileMatch(~/.+\.groovy/) { File file ->
        Script script = parsed[file.getText('UTF-8')].newInstance()
        script.binding = binding
        world.library[file.name - '.groovy'] = script
    }
    Script script = parsed[given.script].newInstance()
    script.binding = binding
    Map outcome = [:]
    try {
        outcome.returned = script.run()
    } catch (Throwable problem) {
        outcome.thrown = "${problem.class.simpleName}: ${problem.message}".toString()
    }
    return outcome + [log: world.log, result: world.result ?: 'SUCCESS', env: world.env]
}

asked.cases.each { String name, Map given -> answer.cases[name] = runCase(given) }
asked.checks.each { String name, String source ->
    try {
        parsed[source]
        answer.checks[name] = Rules.broken(source)
    } catch (Exception problem) {
        answer.checks[name] = [problem.toString()]
    }
}
asked.jobs.each { String name, String source ->
    Recorded recorded = new Recorded()
    Section.within(new GroovyShell(new Binding(asked.provided)).evaluate("{ ->\n${source}\n}"), recorded)
    answer.jobs[name] = recorded.calls
}
new File(args[1]).setText(JsonOutput.toJson(answer), 'UTF-8')
