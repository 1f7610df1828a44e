package org.jenkinsci.plugins.workflow.steps

/** As in Jenkins: the build was aborted. */
class FlowInterruptedException extends InterruptedException {
}
