// Job DSL: a job whose Jenkinsfile stays as it is, and the Notification plugin tells Fluxbridge that a build ended.
// The secret text `fluxbridge-notification-url` holds the whole address, as it ends with the token:
// https://fluxbridge.acme.example/webhooks/ci-plugin?token=…

pipelineJob('team/legacy-app') {
    parameters {
        // What Fluxbridge reads from Jenkins to know which image a build was about.
        stringParam('IMAGE', 'registry.acme.example/team/legacy-app', 'repository in full, without tag')
        stringParam('IMAGE_TAG', '', 'the tag that this build pushes')
        stringParam('IMAGE_DIGEST', '', 'its digest, where it is known before the build')
    }
    properties {
        hudsonNotificationProperty {
            endpoints {
                endpoint {
                    urlInfo {
                        urlType('SECRET')
                        urlOrId('fluxbridge-notification-url')
                    }
                    protocol('HTTP')
                    format('JSON')
                    event('finalized')
                    timeout(10000)
                    retries(2)
                    loglines(0)
                    buildNotes('')
                }
            }
        }
    }
    definition {
        cpsScm {
            scm {
                git {
                    remote {
                        url('https://github.com/acme/legacy-app.git')
                        credentials('github-team-app')
                    }
                    branch('main')
                }
            }
            scriptPath('Jenkinsfile')
        }
    }
}
