// Waits until a tag is merged into a stage, or applied there. What it takes is in fluxbridgeWait.txt.
// Between short looks it sleeps, so outside `node` it holds neither an executor nor a thread.

import com.cloudbees.groovy.cps.NonCPS
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** Returns what became of it: `merged`, `applied`, `closed`, `superseded`, `reverted`, `timeout` or `error`. */
String call(Map args = [:]) {
    Map outcome = [:]
    try {
        outcome = look(args)
    } catch (FlowInterruptedException stopped) {
        throw stopped
    } catch (Exception problem) {
        outcome = [state: 'error', why: problem.message ?: problem.toString()]
    }
    String what = "${args.tag} in ${args.stage}: ${outcome.state}${outcome.why ? ', ' + outcome.why : ''}"
    String words = 'fluxbridgeWait: ' + fluxbridgeHttp.oneLine(what)
    if (args.failOnError && outcome.state != (args.until ?: 'merged')) {
        error(words)
    }
    echo(words)
    return outcome.state
}

private Map look(Map args) {
    check(args)
    String base = args.url ?: env.FLUXBRIDGE_URL
    Map asked = [image: args.image, stage: args.stage, policy: args.policy, limit: 100]
    String promotions = fluxbridgeHttp.address(base, 'api/v1/promotions')
    String url = promotions + fluxbridgeHttp.query(asked)
    int everyS = args.everyS ?: 20
    long deadline = currentBuild.duration + 1000L * (args.timeoutS ?: 1800)
    String last = 'nothing was heard yet'
    while (true) {
        Map answer = get(url, args)
        if (answer.status != 200 && !answer.isTransient) {
            return [state: 'error', why: "${url} ${answer.told}".toString()]
        }
        if (answer.status == 200) {
            List<Map> found = ofTag(answer.json, args.tag)
            Map outcome = judged(found, args.until ?: 'merged')
            if (outcome.look) {
                List<Map> applications = []
                for (int i = 0; i < found.size(); i++) {
                    Map details = get("${promotions}/${found[i].id}", args)
                    applications << [in: details.json?.applications ?: []]
                }
                outcome = applied(applications, args.clusters)
            }
            if (outcome.state) {
                return outcome
            }
            last = outcome.why
        } else {
            last = "${url} ${answer.told}".toString()
        }
        long leftMs = deadline - currentBuild.duration
        if (leftMs <= 0) {
            return [state: 'timeout', why: last]
        }
        int leftS = (leftMs + 999).intdiv(1000)
        sleep(time: Math.min(everyS, leftS), unit: 'SECONDS')
    }
}

private Map get(String url, Map args) {
    Map answer = [:]
    String credentialsId = args.credentialsId ?: env.FLUXBRIDGE_READ_CREDENTIALS ?: 'fluxbridge-read'
    withCredentials([string(credentialsId: credentialsId, variable: 'FLUXBRIDGE_TOKEN')]) {
        answer = fluxbridgeHttp.send('GET', url, bearer(env.FLUXBRIDGE_TOKEN))
    }
    return answer
}

@NonCPS
private Map bearer(String token) {
    return [Authorization: 'Bearer ' + token]
}

@NonCPS
private void check(Map args) {
    List<String> names = [
        'image', 'tag', 'stage', 'policy', 'until', 'clusters', 'timeoutS', 'everyS', 'url', 'credentialsId', 'failOnError',
    ]
    List<String> unknown = args.keySet()*.toString() - names
    if (unknown) {
        throw new IllegalArgumentException("unknown: ${unknown.join(', ')}; known are ${names.join(', ')}")
    }
    if (!args.image || !args.tag || !args.stage) {
        throw new IllegalArgumentException('`image`, `tag` and `stage` are needed')
    }
    if (args.until && !(args.until in ['merged', 'applied'])) {
        throw new IllegalArgumentException('`until` is merged or applied')
    }
}

/** The newest promotion of the tag for each policy; the list has the newest first. */
@NonCPS
private List<Map> ofTag(Object page, Object tag) {
    Map newest = [:]
    for (one in (page?.items ?: [])) {
        String policy = "${one.repo} ${one.branch} ${one.policy}"
        if (one.tag == tag.toString() && !newest.containsKey(policy)) {
            newest[policy] = [id: one.id, state: one.state, reason: one.reason]
        }
    }
    return newest.values() as List
}

@NonCPS
private Map judged(List<Map> found, String until) {
    Map ended = found.find { it.state in ['closed', 'superseded', 'reverted'] }
    if (ended) {
        return [state: ended.state, why: ended.reason]
    }
    if (!found) {
        return [why: 'there is no promotion of this tag yet']
    }
    Map open = found.find { it.state != 'merged' }
    if (open) {
        return [why: "${open.state}: ${open.reason ?: ''}".toString()]
    }
    return until == 'merged' ? [state: 'merged'] : [look: true]
}

@NonCPS
private Map applied(List<Map> promotions, Object clusters) {
    List<String> wanted = (clusters ?: [])*.toString()
    for (promotion in promotions) {
        // Oldest first: the last line of each is how it stands.
        List lines = promotion.in.findAll { !wanted || it.cluster in wanted }
        List there = lines.groupBy { [it.cluster, it.kustomization] }.values().collect { it.last() }
        Map failed = there.find { it.state in ['failed', 'overridden'] }
        if (failed) {
            String how = failed.state == 'failed' ? 'failed to apply it' : 'runs something else'
            return [why: "merged, but ${failed.cluster} ${how}: ${failed.message}".toString()]
        }
        List missing = wanted - there*.cluster
        if (!there || missing) {
            return [why: "merged, not applied yet${missing ? ' in ' + missing.join(', ') : ''}".toString()]
        }
    }
    return [state: 'applied']
}
