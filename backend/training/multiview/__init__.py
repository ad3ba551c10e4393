"""Training of a prior that sees several views of one thing: specimens in all states of life (`corpus`), renders or
meshes of anyone's (`folders`), stored as `sets`; and the joint training of views and single pictures (`phases`)."""
