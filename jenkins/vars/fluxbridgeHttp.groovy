// How the steps of this library talk to Fluxbridge: with what the JVM of the controller has, so without a plugin,
// without an agent and without a child process that could see a secret.

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonSlurperClassic

/**
 * The address of a path below Fluxbridge's own. Throws IllegalArgumentException for what is none, and for one with
 * credentials in it: addresses are written into logs.
 */
@NonCPS
String address(String base, String path) {
    if (!base) {
        throw new IllegalArgumentException('nobody says where Fluxbridge is: give `url`, or set FLUXBRIDGE_URL')
    }
    if (!(base ==~ /https?:\/\/[^\/?#@\s]+(\/[^?#@\s]*)?/)) {
        // The text itself is not told: it may hold a password.
        throw new IllegalArgumentException('the URL of Fluxbridge must be http(s)://host[:port][/path] and nothing more')
    }
    return base.replaceAll(/\/+$/, '') + '/' + path
}

/** Values as the query of an address; those that are null are left out. */
@NonCPS
String query(Map values) {
    List<String> parts = []
    for (one in values) {
        if (one.value != null) {
            parts << one.key + '=' + URLEncoder.encode(one.value.toString(), 'UTF-8')
        }
    }
    return parts ? '?' + parts.join('&') : ''
}

/**
 * Sends one request and never throws: `status` is 0 where no answer came. `isTransient` says that the same request may
 * succeed later, `retryAfterS` when the server wants it, `json` what it answered, `told` all that in words for a log.
 *
 * Each request is short, because everything else in this build waits meanwhile.
 */
@NonCPS
Map send(String method, String url, Map headers, String body = null) {
    HttpURLConnection connection = null
    try {
        connection = (HttpURLConnection) new URL(url).openConnection()
        connection.requestMethod = method
        connection.connectTimeout = 5000
        connection.readTimeout = 10000
        // A POST that is redirected becomes a GET, and a token would go along to wherever.
        connection.instanceFollowRedirects = false
        connection.useCaches = false
        connection.setRequestProperty('User-Agent', 'fluxbridge-jenkins/1')
        connection.setRequestProperty('Accept', 'application/json')
        for (header in headers) {
            connection.setRequestProperty(header.key.toString(), header.value.toString())
        }
        if (body != null) {
            connection.doOutput = true
            connection.outputStream.withStream { it.write(body.getBytes('UTF-8')) }
        }
        int status = connection.responseCode
        def json = parsed(text(status < 400 ? connection.inputStream : connection.errorStream))
        return [
            status: status, json: json, retryAfterS: seconds(connection.getHeaderField('Retry-After')),
            isTransient: status in [408, 425, 429] || status >= 500, told: told(status, json),
        ]
    } catch (IOException problem) {
        String what = oneLine("${problem.class.simpleName}: ${problem.message ?: ''}")
        return [status: 0, json: null, retryAfterS: 0, isTransient: true, told: "no answer (${what})".toString()]
    } finally {
        connection?.disconnect()
    }
}

/** A text that may stand in a log: one line, not long, no control characters. */
@NonCPS
String oneLine(String text) {
    String line = text.replaceAll(/[\p{Cntrl}\u2028\u2029]+/, ' ').trim()
    return line.length() > 500 ? line.substring(0, 500) + '…' : line
}

@NonCPS
private String text(InputStream stream) {
    if (stream == null) {
        return ''
    }
    ByteArrayOutputStream read = new ByteArrayOutputStream()
    byte[] some = new byte[8192]
    stream.withStream {
        int count = it.read(some)
        while (count >= 0 && read.size() < 4 * 1024 * 1024) {
            read.write(some, 0, count)
            count = it.read(some)
        }
    }
    return read.toString('UTF-8')
}

@NonCPS
private Object parsed(String text) {
    try {
        return text.trim() ? new JsonSlurperClassic().parseText(text) : null
    } catch (RuntimeException ignored) {
        return null
    }
}

@NonCPS
private int seconds(String header) {
    return header ==~ /[0-9]{1,6}/ ? header.toInteger() : 0
}

@NonCPS
private String told(int status, Object json) {
    String detail = json instanceof Map && json.detail ? ': ' + oneLine(json.detail.toString()) : ''
    String where = status >= 300 && status < 400 ? ', a redirect: give the address that it leads to' : ''
    return "answered ${status}${where}${detail}".toString()
}
