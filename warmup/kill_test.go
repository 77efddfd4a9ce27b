package warmup_test

const childJob = "WARMUP_TEST_CHILD"

func child() {}
