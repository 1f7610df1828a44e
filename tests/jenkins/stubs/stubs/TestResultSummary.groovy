package stubs

/** What the step `junit` returns. */
class TestResultSummary implements Serializable {
    int totalCount, passCount, failCount, skipCount
}
