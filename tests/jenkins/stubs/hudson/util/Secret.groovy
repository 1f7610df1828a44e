package hudson.util

/** As in Jenkins, but what is encrypted can be told from its text. */
class Secret {
    private final String text

    private Secret(String text) {
        this.text = text
    }

    static Secret fromString(String text) {
        return new Secret(text)
    }

    String getEncryptedValue() {
        return "encrypted ${text}"
    }
}
