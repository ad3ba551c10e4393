"""Training data of image dynamics: made from specimens (`corpus`), or from anyone's videos (`videos`); both are stored
as `samples`."""
