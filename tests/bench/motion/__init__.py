"""What tests/bench/dynamics.py is made of: how well the motion of pictures is predicted, and by what."""
