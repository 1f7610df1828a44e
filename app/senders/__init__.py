"""Inbound webhooks, one sender a file: verify a request and parse its body into facts, without I/O."""

from app.senders.distribution import DISTRIBUTION
from app.senders.flux import FLUX
from app.senders.github import GITHUB
from app.senders.jenkins import JENKINS
from app.senders.jenkins_notification import JENKINS_NOTIFICATION
from app.senders.sender import Sender

SENDERS: dict[str, Sender] = {
    sender.kind: sender for sender in (JENKINS, JENKINS_NOTIFICATION, DISTRIBUTION, GITHUB, FLUX)
}
