// The tag of the image that this build makes. What it takes is in fluxbridgeTag.txt.

import com.cloudbees.groovy.cps.NonCPS
import java.security.MessageDigest

/** Returns the tag; the same one each time in one build. Fails the build where there can be none. */
String call(Map args = [:]) {
    Map made = args.gitTag || env.TAG_NAME ?
        release(args.gitTag ?: env.TAG_NAME) :
        development(
            args.branch ?: env.BRANCH_NAME ?: env.GIT_BRANCH,
            args.commit ?: env.GIT_COMMIT,
            currentBuild.startTimeInMillis
        )
    if (made.why) {
        error("fluxbridgeTag: ${made.why}")
    }
    return made.tag
}

@NonCPS
private Map release(String tag) {
    if (!(tag ==~ /[A-Za-z0-9_][A-Za-z0-9._-]{0,127}/)) {
        String hint = tag.contains('+') ? '; a registry knows no +, so leave the build part of the version out' : ''
        return [why: "${tag} is no image tag: 1 to 128 of A-Z a-z 0-9 _ . -, not starting with . or -${hint}".toString()]
    }
    if (!(tag ==~ /v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[0-9A-Za-z.-]+)?/)) {
        return [why: "the git tag ${tag} is no version such as v1.4.2 or 1.4.2-rc.1".toString()]
    }
    return [tag: tag]
}

@NonCPS
private Map development(String branch, String commit, long startedAtMillis) {
    if (!branch) {
        return [why: 'neither BRANCH_NAME nor GIT_BRANCH is set: give `branch`']
    }
    if (!(commit ==~ /[0-9a-f]{40}([0-9a-f]{24})?/)) {
        return [why: 'no whole commit is known: check out first and give `commit: scm.GIT_COMMIT`']
    }
    // Seconds have ten digits until the year 2286, so they sort as text as well.
    String rest = '-' + commit.substring(0, 8) + '-' + startedAtMillis.intdiv(1000)
    return [tag: written(branch.replaceFirst(/^origin\//, ''), 128 - rest.length()) + rest]
}

/** A branch's name as the beginning of a tag; where it had to be changed, a hash of the true name follows. */
@NonCPS
private String written(String branch, int longest) {
    if (branch ==~ /[A-Za-z0-9_][A-Za-z0-9._-]*/ && branch.length() <= longest) {
        return branch
    }
    byte[] digest = MessageDigest.getInstance('SHA-256').digest(branch.getBytes('UTF-8'))
    String hash = digest.encodeHex().toString().substring(0, 8)
    String safe = branch.replaceAll(/[^A-Za-z0-9._-]+/, '-').replaceFirst(/^[.-]+/, '')
    safe = safe.take(longest - hash.length() - 1).replaceFirst(/[.-]+$/, '')
    return safe ? safe + '-' + hash : hash
}
