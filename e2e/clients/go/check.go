package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const baseMs = int64(1_700_000_000_000)

var codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}
var writers = []string{
	"confluent-kafka", "aiokafka", "kafka-python", "java", "kafkajs", "franz-go",
}

// A feature fails by panicking with the reason.
type feature func(ctx context.Context, bootstrap string)

func runFeatures(bootstrap string, names []string, features map[string]feature) {
	for _, name := range names {
		func() {
			defer func() {
				if reason := recover(); reason != nil {
					fmt.Fprintf(os.Stderr, "%s: %v\n%s\n", name, reason, debug.Stack())
					text := strings.Join(strings.Fields(fmt.Sprint(reason)), " ")
					fmt.Printf("%s: FAIL %.400s\n", name, text)
				}
			}()
			run, known := features[name]
			holds(known, "the program knows no such feature")
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			defer cancel()
			run(ctx, bootstrap)
			fmt.Printf("%s: ok\n", name)
		}()
	}
}

// dataset gives the records of topic CLIENT-codec-CODEC, the same in every language; see suite.py.
func dataset(client, codec string) []*kgo.Record {
	var rows []*kgo.Record
	for i := 0; i < 300; i++ {
		var key []byte
		if i%3 != 0 {
			key = fmt.Appendf(nil, "key-%d", i%7)
		}
		value := fmt.Sprintf("%s %s %d ", client, codec, i) + strings.Repeat("millrace ", i%40)
		rows = append(rows, &kgo.Record{
			Key: key, Value: []byte(value), Timestamp: at(int64(i) * 10),
			Headers: []kgo.RecordHeader{
				header("i", fmt.Sprint(i)), header("i", ""), header("codec", codec),
			},
		})
	}
	return rows
}

func at(shiftMs int64) time.Time { return time.UnixMilli(baseMs + shiftMs) }

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}

func row(key, value string, shiftMs int64) *kgo.Record {
	record := &kgo.Record{Value: []byte(value), Timestamp: at(shiftMs)}
	if key != "" {
		record.Key = []byte(key)
	}
	return record
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func mustNot(err error) {
	if err != nil {
		panic(err)
	}
}

func holds(condition bool, format string, words ...any) {
	if !condition {
		panic(fmt.Sprintf(format, words...))
	}
}

func equal(got, want any, format string, words ...any) {
	if !reflect.DeepEqual(got, want) {
		what := fmt.Sprintf(format, words...)
		panic(fmt.Sprintf("%s: got %.300s, want %.300s", what, fmt.Sprint(got), fmt.Sprint(want)))
	}
}

func refused(err error, want *kerr.Error, format string, words ...any) {
	holds(errors.Is(err, want), "%s: got %v, want %v", fmt.Sprintf(format, words...), err, want)
}

// eventually asks again and again, for what a broker does in its own time.
func eventually(what string, check func() bool) {
	for deadline := time.Now().Add(20 * time.Second); !check(); time.Sleep(20 * time.Millisecond) {
		holds(time.Now().Before(deadline), "after 20 s still not: %s", what)
	}
}
