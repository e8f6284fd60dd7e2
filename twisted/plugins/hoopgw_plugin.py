"""Makes `twistd hoopgw` known.  Imports nothing heavy: twistd reads every plugin at each start."""

from twisted.application.service import ServiceMaker

hoopgw = ServiceMaker("hoopgw", "hoopgw.service", "The hoopgw gateway appliance", "hoopgw")
