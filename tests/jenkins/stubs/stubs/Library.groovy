package stubs

/** `@Library('name') _` at the top of a Jenkinsfile. */
@interface Library {
    String[] value()
}
