package stubs

/** A step failed. */
class StepFailed extends Exception {
    StepFailed(String message) {
        super(message)
    }
}
