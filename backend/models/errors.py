"""What can go wrong with models: one type each, one sentence each, with what to do."""


class ModelError(ValueError):
    """A model cannot be had as asked; the message says what to do."""


class Unknown(ModelError):
    """No model of that name is in the catalogue."""


class NotHere(ModelError):
    """A pipeline wants a model that is missing, partly here or damaged."""


class LicenceNotAccepted(ModelError):
    """A licence must be read and accepted before the download."""


class Offline(ModelError):
    """A download was asked for in offline mode."""


class NoNetwork(ModelError):
    """The hub does not answer, or the connection broke and did not come back. What has arrived is kept."""


class Gated(ModelError):
    """The repository gives its files to those alone who asked its owner."""


class NotPublished(ModelError):
    """The repository, or a file in it, is not where it was."""


class NoSpace(ModelError):
    """The disk has no room for what is left to get."""


class NotReadable(ModelError):
    """The place cannot be looked into."""


class NotWritable(ModelError):
    """The place cannot be written to."""


class Foreign(ModelError):
    """The folder named for a model holds something else."""


class Busy(ModelError):
    """Another process is getting the same file."""


class ArrivedDamaged(ModelError):
    """A file arrived twice with another checksum than the hub says."""
