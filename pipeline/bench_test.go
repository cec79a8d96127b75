package pipeline_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/cybertron/pkg/tasks"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textencoding"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/pipeline"
	"github.com/spagotune/spagotune/tokenizer"
)

// BenchmarkEncoding encodes a text of 128 tokens with the model that SPAGOTUNE_MINILM names, here and in Cybertron.
func BenchmarkEncoding(b *testing.B) {
	dir := os.Getenv("SPAGOTUNE_MINILM")
	if dir == "" {
		b.Skip("SPAGOTUNE_MINILM is not set")
	}
	m, err := model.Load(b.Context(), dir, model.Options{Numerics: model.Cybertron})
	if err != nil {
		b.Fatal(err)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		b.Fatal(err)
	}
	ours, err := pipeline.NewTextEncoder(m, tok, pipeline.Options{})
	if err != nil {
		b.Fatal(err)
	}
	folder := b.TempDir()
	if err := m.SaveCybertron(b.Context(), filepath.Join(folder, "minilm"), ""); err != nil {
		b.Fatal(err)
	}
	theirs, err := tasks.Load[textencoding.Interface](&tasks.Config{ModelsDir: folder, ModelName: "minilm",
		DownloadPolicy: tasks.DownloadNever, ConversionPolicy: tasks.ConvertNever})
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("the sea ", 63)
	if n := len(tok.Encode(text, true)); n != 128 {
		b.Fatalf("the text has %d tokens, want 128", n)
	}
	for name, task := range map[string]textencoding.Interface{"spagotune": ours, "cybertron": theirs} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := task.Encode(b.Context(), text, int(bert.MeanPooling)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(128*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
