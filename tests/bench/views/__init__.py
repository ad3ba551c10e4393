"""What measures views of one thing from several sides, and how; tests/bench/multiview.py tells its results."""
