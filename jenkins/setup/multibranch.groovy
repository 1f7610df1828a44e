// Job DSL: a team's folder, and a multibranch job for its repository. Plugins: Job DSL, Folders, GitHub Branch Source,
// Basic Branch Build Strategies.

folder('team') {
    description('The secret text `fluxbridge` of this folder is the key of the source in fluxbridge.yaml that may speak for team/*.')
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
