// Package failover runs the service with a Redis Cluster, or a primary that Sentinel watches, and while clients upload
// images it kills the primary, or moves slots of the cluster. Every image that was answered with 200 has to be
// completed.
//
//	.ci/redis
//
// starts the servers and the tests. By hand, CI_LOCAL is the path of local mode's program, the environment has the
// settings REDIS_* of the service, with an administrator's login, and CI_REDIS_USERNAME, who has the same password, is
// the user that the service logs in as. The tests kill servers of this machine, and leave them so.
package failover
