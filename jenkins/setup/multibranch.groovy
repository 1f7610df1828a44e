// Job DSL: a team's folder with its secret, and a multibranch job for its repository. Plugins: Job DSL, Folders, Plain
// Credentials, GitHub Branch Source, Basic Branch Build Strategies.
// casc.yaml hands FLUXBRIDGE_CI_SECRET to it; another team is another folder, secret and source. It is for Configuration as
// Code: a seed job in the sandbox may not call hudson.util.Secret.

String key = hudson.util.Secret.fromString(FLUXBRIDGE_CI_SECRET).encryptedValue

folder('team') {
    description('The secret text `fluxbridge` of this folder is the key of the source in fluxbridge.yaml that may speak for team/*.')
    properties {
        folderCredentialsProperty {
            domainCredentials {
                domainCredentials {
                    domain {
                        name('')
                        description('')
                    }
                }
            }
        }
    }
    // Written as XML, since Job DSL has no words for a secret text. Each run writes the folder anew: a credential that is
    // added to it by hand is lost at the next.
    configure { team ->
        def property = 'com.cloudbees.hudson.plugins.folder.properties.FolderCredentialsProvider_-FolderCredentialsProperty'
        def entry = team / 'properties' / property / 'domainCredentialsMap' / 'entry'
        entry / 'java.util.concurrent.CopyOnWriteArrayList' << 'org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl' {
            scope('GLOBAL')
            id('fluxbridge')
            description('Key of the source ci in fluxbridge.yaml')
            secret(key)
        }
    }
}

multibranchPipelineJob('team/app') {
    branchSources {
        branchSource {
            source {
                github {
                    // Any fixed text: with another one Jenkins takes every branch for new.
                    id('team-app')
                    credentialsId('github-team-app')
                    repoOwner('acme')
                    repository('app')
                    repositoryUrl('https://github.com/acme/app')
                    configuredByUrl(true)
                    traits {
                        // Branches that are no pull request, pull requests of this repository, tags. No forks: their
                        // authors would choose what runs in pods that can push images.
                        gitHubBranchDiscovery {
                            strategyId(1)
                        }
                        gitHubPullRequestDiscovery {
                            strategyId(2)
                        }
                        gitHubTagDiscovery()
                        // Fluxbridge's own branches. Its pull requests are called PR-…: those the Jenkinsfile leaves out.
                        headWildcardFilter {
                            includes('*')
                            excludes('fluxbridge/*')
                        }
                    }
                }
            }
            buildStrategies {
                buildRegularBranches()
                buildChangeRequests {
                    ignoreTargetOnlyChanges(true)
                    ignoreUntrustedChanges(true)
                }
                // Without this, tags are found and never built. Old ones are not built when the job is new.
                buildTags {
                    atLeastDays('-1')
                    atMostDays('7')
                }
            }
        }
    }
    factory {
        workflowBranchProjectFactory {
            scriptPath('Jenkinsfile')
        }
    }
    orphanedItemStrategy {
        discardOldItems {
            numToKeep(20)
        }
    }
}
