// The course by pgx: PORT, CA, TOKEN and NUMBER in the environment; what it found as JSON on standard output.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// failed gives the error that this statement must get
func failed(ctx context.Context, connection *pgx.Conn, text string) *pgconn.PgError {
	_, err := connection.Exec(ctx, text)
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		must(fmt.Errorf("ran: %s: %w", text, err))
	}
	return said
}

func inTransaction(ctx context.Context, connection *pgx.Conn, number int, text string) []any {
	insert := fmt.Sprintf("insert into products (id, name, price) values (%d, 'x', 1)", number+1)
	if text == "" {
		text = insert
	}
	transaction, err := connection.Begin(ctx)
	must(err)
	_, err = transaction.Exec(ctx, insert)
	must(err)
	first, second := failed(ctx, connection, text).Code, failed(ctx, connection, "select 1").Code
	must(transaction.Rollback(ctx))
	var left int
	must(connection.QueryRow(ctx, "select count(*) from products where id = $1", number+1).Scan(&left))
	return []any{first, second, left}
}

func values(ctx context.Context, connection *pgx.Conn) bool {
	all := make([]byte, 256)
	for n := range all {
		all[n] = byte(n)
	}
	moment := time.Date(2026, 11, 21, 10, 11, 12, 345678000, time.UTC)
	document := map[string]any{"a": []any{1.0, nil}}
	var decimal string
	var shown []byte
	var yes bool
	var when time.Time
	var integers []int32
	var read map[string]any
	back := "select $1::numeric::text, $2::bytea, $3::bool, $4::timestamptz, $5::int[], $6::jsonb"
	row := connection.QueryRow(ctx, back, "12345678901234567890.12345", all, true, moment, []int32{1, 2, 3}, document)
	must(row.Scan(&decimal, &shown, &yes, &when, &integers, &read))
	return decimal == "12345678901234567890.12345" && bytes.Equal(shown, all) && yes && when.Equal(moment) &&
		reflect.DeepEqual(integers, []int32{1, 2, 3}) && reflect.DeepEqual(read, document)
}

// pipelined sends three statements before it reads the first answer
func pipelined(ctx context.Context, connection *pgx.Conn) {
	batch := &pgx.Batch{}
	for n := 0; n < 3; n++ {
		batch.Queue("select $1::int * 2", n)
	}
	results := connection.SendBatch(ctx, batch)
	for n := 0; n < 3; n++ {
		var twice int
		must(results.QueryRow().Scan(&twice))
		if twice != 2*n {
			must(fmt.Errorf("batch: %d", twice))
		}
	}
	must(results.Close())
}

func copied(ctx context.Context, connection *pgx.Conn, number int, found map[string]any) {
	rows := [][]any{}
	for n := 0; n < 3; n++ {
		rows = append(rows, []any{int32(number + 10 + n), "a\tb\\", "1"})
	}
	columns := []string{"id", "name", "price"}
	into, err := connection.CopyFrom(ctx, pgx.Identifier{"products"}, columns, pgx.CopyFromRows(rows))
	must(err)
	found["copied_in"] = into
	var out bytes.Buffer
	text := fmt.Sprintf("copy (select name from products where id between %d and %d) to stdout", number+10, number+19)
	_, err = connection.PgConn().CopyTo(ctx, &out, text)
	must(err)
	found["copied_out"] = bytes.Count(out.Bytes(), []byte("a\\tb\\\\\n"))
}

func main() {
	ctx := context.Background()
	number, err := strconv.Atoi(os.Getenv("NUMBER"))
	must(err)
	where := "host=127.0.0.1 port=" + os.Getenv("PORT") + " user=writer dbname=shop sslmode=verify-full sslrootcert="
	settings, err := pgx.ParseConfig(where + os.Getenv("CA"))
	must(err)
	settings.Password = os.Getenv("TOKEN")
	connection, err := pgx.ConnectConfig(ctx, settings)
	must(err)
	found := map[string]any{"encrypted": true} // verify-full does not connect without
	var one int
	var word string
	must(connection.QueryRow(ctx, "select 1, 'one'").Scan(&one, &word))
	found["plain"] = []any{one, word}
	var first int64
	var second, fourth string
	var third *string
	row := connection.QueryRow(ctx, "select $1::int8, $2::text, $3::text, $4::text", number, "it's", nil, "ÿ€")
	must(row.Scan(&first, &second, &third, &fourth))
	found["parameters"] = []any{first, second, third, fourth}
	found["values"] = values(ctx, connection)
	_, err = connection.Prepare(ctx, "again", "select $1::int + 1")
	must(err)
	seen := make([]int, 10)
	for n := range seen {
		must(connection.QueryRow(ctx, "again", n+1).Scan(&seen[n]))
	}
	found["prepared"] = seen
	found["error"] = failed(ctx, connection, "select 1 / 0").Code
	must(connection.QueryRow(ctx, "select 1").Scan(&one))
	found["after_error"] = one
	found["transaction"] = inTransaction(ctx, connection, number, "")
	refused := failed(ctx, connection, os.Getenv("REFUSED"))
	found["refused"] = []any{refused.Code, refused.Detail}
	must(connection.QueryRow(ctx, "select 1").Scan(&one))
	found["after_refused"] = one
	found["refused_in_transaction"] = inTransaction(ctx, connection, number, os.Getenv("REFUSED"))
	done, err := connection.Exec(ctx, os.Getenv("HELD"))
	must(err)
	found["held"] = done.RowsAffected()
	var shown string
	must(connection.QueryRow(ctx, "select email from customers where id = $1", 1).Scan(&shown))
	found["masked"] = shown
	pipelined(ctx, connection)
	timer := time.AfterFunc(2*time.Second, func() { must(connection.PgConn().CancelRequest(ctx)) })
	found["cancelled"] = failed(ctx, connection, os.Getenv("SLEEP")).Code
	timer.Stop()
	copied(ctx, connection, number, found)
	must(connection.Close(ctx))
	must(json.NewEncoder(os.Stdout).Encode(found))
}
