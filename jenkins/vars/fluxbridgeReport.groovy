// Tells Fluxbridge how a build went and what it pushed: the report of a source of kind `jenkins`, signed or with a token.
// What it takes is in fluxbridgeReport.txt.

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonOutput
import groovy.json.JsonSlurperClassic
import groovy.transform.Field
import java.time.Instant
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

// Once told, the end of this build stays: a report that is sent again has the same bytes and is the same delivery.
@Field String finishedAt = null

/** Sends the report; returns the id of the delivery, or null where it was not kept and `failOnError` is not set. */
String call(Map args = [:]) {
    Map outcome = [:]
    try {
        outcome = report(args)
    } catch (FlowInterruptedException stopped) {
        throw stopped
    } catch (Exception problem) {
        outcome = [why: fluxbridgeHttp.oneLine(problem.message ?: problem.toString())]
    }
    if (outcome.why && args.failOnError) {
        error("fluxbridgeReport: ${outcome.why}")
    }
    echo("fluxbridgeReport: ${outcome.why ? 'NOT REPORTED: ' + outcome.why : outcome.said}")
    return outcome.id
}

/**
 * The digest in a file that a push left in the workspace: BuildKit's or buildx' `--metadata-file`, the JSON of
 * `docker inspect`, or any text that names one digest, such as what `docker push` or `helm push` print. An image that
 * Docker pushed to several repositories has a digest in each: `repository` says which one counts.
 * Fails the stage where there is not exactly one.
 */
String digestIn(String file, String repository = null) {
    String digest = onlyDigest(readFile(file: file, encoding: 'UTF-8'), repository)
    if (digest == null) {
        error("fluxbridgeReport: ${file} does not name exactly one pushed digest (sha256: and 64 hex digits)")
    }
    return digest
}

private Map report(Map args) {
    Map told = known(args)
    String ours = ownBranch(told, args.prefix ?: env.FLUXBRIDGE_PREFIX ?: 'fluxbridge')
    if (ours) {
        return [said: "nothing to report of ${ours}, a branch of Fluxbridge's own".toString()]
    }
    if (args.result && finishedAt == null) {
        finishedAt = instant(currentBuild.startTimeInMillis + currentBuild.duration)
    }
    String body = bodyOf(args, told, instant(currentBuild.startTimeInMillis), finishedAt)
    String source = args.source ?: env.FLUXBRIDGE_SOURCE ?: 'ci'
    String url = fluxbridgeHttp.address(args.url ?: env.FLUXBRIDGE_URL, "webhooks/${source}")
    String idToken = args.idToken ?: (args.credentialsId ? null : env.FLUXBRIDGE_ID_TOKEN)
    Map answer = deliver(url, body, idToken ?: args.credentialsId ?: env.FLUXBRIDGE_CREDENTIALS ?: 'fluxbridge', idToken != null)
    if (answer.status == 202) {
        return [id: answer.json?.id, said: "${url} keeps it as delivery ${answer.json?.id}".toString()]
    }
    return [why: "${url} ${answer.told}".toString()]
}

private Map deliver(String url, String body, String credentialsId, boolean isToken) {
    int waitS = 1
    for (int attempt = 1; true; attempt++) {
        Map answer = [:]
        // The secret is asked for anew each time: it must not be in what Jenkins writes to disk while this sleeps. Of a
        // token, which is made when it is asked for, that gives one whose time has just begun.
        withCredentials([string(credentialsId: credentialsId, variable: 'FLUXBRIDGE_SECRET')]) {
            Map proof = isToken ? bearing(env.FLUXBRIDGE_SECRET) : signed(body, env.FLUXBRIDGE_SECRET)
            answer = fluxbridgeHttp.send('POST', url, proof, body)
        }
        if (!answer.isTransient || attempt == 5) {
            return answer
        }
        waitS = waitS * 2
        int pauseS = Math.min(Math.max(waitS, answer.retryAfterS), 30)
        echo("fluxbridgeReport: ${url} ${answer.told}; again in ${pauseS} s")
        sleep(time: pauseS, unit: 'SECONDS')
    }
}

/** What Jenkins itself says of this build. Job and number are not taken from variables that a pipeline can set. */
private Map known(Map args) {
    Map scm = args.scm ?: [:]
    return [
        job: currentBuild.fullProjectName, number: currentBuild.number, url: env.BUILD_URL,
        gitUrl: scm.GIT_URL ?: env.GIT_URL, commit: args.commit ?: scm.GIT_COMMIT ?: env.GIT_COMMIT,
        gitBranch: scm.GIT_BRANCH ?: env.GIT_BRANCH, branchName: env.BRANCH_NAME, tagName: env.TAG_NAME,
        changeId: env.CHANGE_ID, changeBranch: env.CHANGE_BRANCH,
    ]
}

@NonCPS
private String ownBranch(Map told, String prefix) {
    return [told.changeBranch, told.branchName].find { it?.startsWith(prefix + '/') }
}

@NonCPS
private Map signed(String body, String secret) {
    if (!secret?.trim()) {
        throw new IllegalArgumentException('the credential with the secret is blank')
    }
    String stamp = System.currentTimeMillis().intdiv(1000).toString()
    Mac mac = Mac.getInstance('HmacSHA256')
    mac.init(new SecretKeySpec(secret.getBytes('UTF-8'), 'HmacSHA256'))
    String signature = mac.doFinal((stamp + '.' + body).getBytes('UTF-8')).encodeHex().toString()
    return ['Content-Type': 'application/json', 'X-Signature-Timestamp': stamp, 'X-Signature': 'sha256=' + signature]
}

@NonCPS
private Map bearing(String token) {
    // What is no token may be a secret of another kind, which is not to be sent.
    if (!(token?.trim() ==~ /[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+/)) {
        throw new IllegalArgumentException('the credential that idToken names gives no id token: use the OpenID Connect Provider plugin')
    }
    return ['Content-Type': 'application/json', 'Authorization': 'Bearer ' + token.trim()]
}

@NonCPS
private String instant(long millis) {
    return Instant.ofEpochSecond(millis.intdiv(1000)).toString()
}

@NonCPS
private String bodyOf(Map args, Map told, String startedAt, String finishedAt) {
    onlyKnown('', args, [
        'result', 'image', 'tag', 'digest', 'images', 'charts', 'tests', 'parameters', 'scm', 'commit',
        'url', 'source', 'credentialsId', 'idToken', 'prefix', 'failOnError',
    ])
    if (args.idToken && args.credentialsId) {
        throw new IllegalArgumentException('give `idToken` or `credentialsId`, as the source in fluxbridge.yaml has `oidc` or `secret`')
    }
    if (!args.image && (args.tag || args.digest)) {
        throw new IllegalArgumentException('`tag` and `digest` need `image`')
    }
    List images = []
    images.addAll(args.images ?: [])
    if (args.image) {
        images << [repository: args.image, tag: args.tag, digest: args.digest]
    }
    Map parameters = (args.parameters ?: [:]).findAll { it.value != null }
    // The bytes are ASCII: what is not is escaped, so nothing on the way can read them in another encoding.
    return JsonOutput.toJson([
        schema: 1, source: 'jenkins', job: told.job, build_number: told.number, build_url: line(told.url),
        result: resultOf(args.result), started_at: startedAt, finished_at: args.result ? finishedAt : null,
        git: [
            url: line(told.gitUrl?.replaceFirst(/^([a-z+]+:\/\/)[^\/@]*@/, '$1')), commit: line(told.commit),
            branch: branchOf(told), tag: line(told.tagName), change_id: line(told.changeId),
        ],
        images: images.collect { published('images', it, 'tag') },
        charts: (args.charts ?: []).collect { published('charts', it, 'version') },
        tests: counts(args.tests),
        parameters: parameters.collectEntries { [clean(it.key), clean(it.value)] },
    ])
}

@NonCPS
private String branchOf(Map told) {
    // Of a change request BRANCH_NAME is PR-12; a plain job has no BRANCH_NAME, but knows the remote's branch.
    String branch = told.changeBranch ?: told.branchName ?: told.gitBranch?.replaceFirst(/^origin\//, '')
    return told.tagName ? null : line(branch)
}

@NonCPS
private String resultOf(Object given) {
    // A build that still runs has no result yet, and must pass no gate that asks for one.
    String result = given ? given.toString() : 'UNKNOWN'
    if (!(result in ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED', 'UNKNOWN'])) {
        throw new IllegalArgumentException("`result` is ${result}: give currentBuild.currentResult")
    }
    return result
}

@NonCPS
private Map published(String list, Object item, String version) {
    if (!(item instanceof Map) || !item.repository || !item[version]) {
        throw new IllegalArgumentException("each of `${list}` is a map with `repository` and `${version}`")
    }
    onlyKnown("${list}: ", item, ['repository', version, 'digest'])
    if (item.digest && !(item.digest.toString() ==~ /sha256:[0-9a-f]{64}/)) {
        throw new IllegalArgumentException("${item.digest} is no digest, which is sha256: and 64 hex digits")
    }
    return [repository: clean(item.repository), (version): clean(item[version]), digest: item.digest?.toString()]
}

@NonCPS
private Map counts(Object tests) {
    if (tests == null) {
        return null
    }
    // What the step `junit` returns names them in its own way.
    Map given = tests instanceof Map ? tests : [
        total: tests.totalCount, passed: tests.passCount, failed: tests.failCount, skipped: tests.skipCount,
    ]
    onlyKnown('tests: ', given, ['total', 'passed', 'failed', 'skipped'])
    int passed = given.passed ?: 0, failed = given.failed ?: 0, skipped = given.skipped ?: 0
    int total = given.total != null ? given.total : passed + failed + skipped
    return [total: total, passed: passed, failed: failed, skipped: skipped]
}

@NonCPS
private void onlyKnown(String place, Map given, List<String> names) {
    List<String> unknown = given.keySet()*.toString() - names
    if (unknown) {
        throw new IllegalArgumentException("${place}unknown: ${unknown.join(', ')}; known are ${names.join(', ')}")
    }
}

/** A field of one line, or null where the text is none: better a report without it than no report. */
@NonCPS
private String line(Object text) {
    String cleaned = text == null ? '' : clean(text)
    return cleaned && cleaned.length() <= 1000 && !(cleaned =~ /[\x00-\x1f\x7f]/) ? cleaned : null
}

/** Text without what no database keeps: U+0000 and halves of surrogate pairs. */
@NonCPS
private String clean(Object text) {
    return new String(text.toString().getBytes('UTF-8'), 'UTF-8').replace('\u0000', '')
}

@NonCPS
private String onlyDigest(String text, String repository) {
    Object json = null
    try {
        json = new JsonSlurperClassic().parseText(text)
    } catch (RuntimeException ignored) {
        json = null
    }
    // Both kinds of JSON hold more digests than the one that counts.
    if (json instanceof Map && json.containsKey('containerimage.digest')) {
        text = json['containerimage.digest'].toString()
    } else if (json instanceof List) {
        // Docker writes the names of Docker Hub without it.
        List<String> names = repository ? [repository, repository.replaceFirst(/^docker\.io\/(library\/)?/, '')] : null
        List pushed = json.collect { it instanceof Map ? it.RepoDigests : null }.flatten()
        text = pushed.findAll { !names || it?.toString()?.tokenize('@')?.first() in names }.join(' ')
    }
    List<String> found = text.findAll(/(?<![0-9A-Za-z])sha256:[0-9a-f]{64}(?![0-9A-Za-z])/).unique()
    return found.size() == 1 ? found[0] : null
}
