// Package postgres is where read models live: the connection pool, the infrastructure tables, and a private server for
// machines that were given no DATABASE_URL.
//
// A given database is asked at start whether it keeps what it acknowledges (RequireDurable): the checkpoint of a
// projection moves in the transaction that writes its rows, and that promise is only as good as the server's fsync.
package postgres
