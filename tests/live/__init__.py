"""Live tests: real clients, real servers, and the gateway between them."""

import os

# grpcio says at each fork that it leaves this one alone
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
