package finetune

import (
	"context"
	"iter"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// TokenizerOptions say what TrainTokenizer reads and writes.
type TokenizerOptions struct {
	// Data and Field are options of the task text: files of plain text or records, and the field of a record that holds
	// its text.
	Data, Field any
	// Output is the new folder.
	Output string
	tokenizer.TrainOptions
}

// TrainTokenizer trains a byte-level BPE tokenizer on texts and writes it to a new folder, for models that are trained
// from random weights. It returns the number of its tokens, which is below VocabSize if the texts have too few merges.
func TrainTokenizer(ctx context.Context, o TokenizerOptions) (tokens int, err error) {
	if err := folder.MustBeNew(o.Output); err != nil {
		return 0, err
	}
	options := map[string]any{"data": o.Data, "eval_fraction": 0}
	if o.Field != nil {
		options["field"] = o.Field
	}
	task, err := tasks.New("text", options)
	if err != nil {
		return 0, err
	}
	t, err := tokenizer.Train(trainTexts(ctx, task), o.TrainOptions)
	if err != nil {
		return 0, err
	}
	return t.VocabSize(), folder.New(o.Output, func(tmp string) error {
		if err := os.MkdirAll(tmp, 0o777); err != nil {
			return err
		}
		for name, content := range map[string][]byte{"tokenizer.json": t.JSON, "tokenizer_config.json": t.Config} {
			if err := folder.WriteFile(filepath.Join(tmp, name), content); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// trainTexts iterates over the texts of a task's training data.
func trainTexts(ctx context.Context, task tasks.Task) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for ex, err := range task.Examples(tasks.Train) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield("", err)
				return
			}
			for _, s := range ex.Segments {
				if !yield(s.Text, nil) {
					return
				}
			}
		}
	}
}
