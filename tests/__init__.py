"""Trial's tests.  What they promise does not depend on how busy the machine is: hypothesis measures no time."""

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
