package data

import (
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
)

// BenchmarkEach reads the file SPAGOTUNE_DATA once (scripts/bench/make_jsonl.py makes one), with the column conversations for messages
// and through a buffer of 1,000 records, from which they are drawn at random. It reports the records, their bytes and the largest heap.
func BenchmarkEach(b *testing.B) {
	path := os.Getenv("SPAGOTUNE_DATA")
	if path == "" {
		b.Skip("SPAGOTUNE_DATA names no file")
	}
	var store Store
	for b.Loop() {
		var buffer [1000]Record
		var heap runtime.MemStats
		random, records, bytes, most := rand.New(rand.NewPCG(1, 1)), 0, 0, uint64(0)
		for r, err := range store.Each(Source{Path: path, Columns: ColumnMapping{"messages": "conversations"}}) {
			if err != nil {
				b.Fatal(err)
			}
			buffer[random.IntN(len(buffer))] = r
			bytes += len(r.Raw)
			if records++; records%10_000 == 1 {
				runtime.ReadMemStats(&heap)
				most = max(most, heap.HeapSys)
			}
		}
		b.ReportMetric(float64(records), "records")
		b.ReportMetric(float64(bytes), "bytes")
		b.ReportMetric(float64(most)/(1<<20), "MiB-heap")
	}
}
