"""Inbound webhooks, one sender a file: verify a request and parse its body into facts, without I/O."""

from app.senders.flux import FLUX
from app.senders.forges.bitbucket import BITBUCKET
from app.senders.forges.bitbucket_dc import BITBUCKET_DC
from app.senders.forges.gitea import GITEA
from app.senders.forges.github import GITHUB
from app.senders.forges.gitlab import GITLAB
from app.senders.jenkins.cdevents import JENKINS_CDEVENTS
from app.senders.jenkins.cloud_events import JENKINS_CLOUDEVENTS
from app.senders.jenkins.notification import JENKINS_NOTIFICATION
from app.senders.jenkins.outbound_webhook import JENKINS_OUTBOUND_WEBHOOK
from app.senders.jenkins.report import JENKINS
from app.senders.registries.acr import ACR
from app.senders.registries.cdevents import CDEVENTS
from app.senders.registries.distribution import DISTRIBUTION
from app.senders.registries.docker_hub import DOCKER_HUB
from app.senders.registries.ecr import ECR
from app.senders.registries.generic import GENERIC
from app.senders.registries.ghcr import GHCR
from app.senders.registries.gitlab_registry import GITLAB_REGISTRY
from app.senders.registries.google import GOOGLE
from app.senders.registries.harbor import HARBOR
from app.senders.registries.jfrog import JFROG
from app.senders.registries.nexus import NEXUS
from app.senders.registries.quay import QUAY
from app.senders.registries.zot import ZOT
from app.senders.sender import Sender

SENDERS: dict[str, Sender] = {
    sender.kind: sender
    for sender in (
        JENKINS,
        JENKINS_NOTIFICATION,
        JENKINS_OUTBOUND_WEBHOOK,
        JENKINS_CLOUDEVENTS,
        JENKINS_CDEVENTS,
        DISTRIBUTION,
        DOCKER_HUB,
        GHCR,
        HARBOR,
        QUAY,
        ACR,
        JFROG,
        NEXUS,
        CDEVENTS,
        ECR,
        GENERIC,
        GITLAB_REGISTRY,
        GOOGLE,
        ZOT,
        BITBUCKET,
        BITBUCKET_DC,
        GITEA,
        GITLAB,
        GITHUB,
        FLUX,
    )
}
