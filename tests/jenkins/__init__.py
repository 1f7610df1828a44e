"""What a Jenkins user copies: the shared library, Jenkinsfiles and set-up, run with stubs of Jenkins' steps."""
