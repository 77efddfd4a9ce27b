package monitor

// The keys of the package:
//
//	the key of NewLease            string   token of the holder, with its ttl
//	the key of HealthOptions.Probe never    SET ... XX of a key that does not exist writes nothing
//
// Both are chosen by the caller: a monitor has no data of its own in Redis.
