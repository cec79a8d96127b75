package experiments_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/experiments"
	"github.com/spagotune/spagotune/recipes"
)

func ExampleTables() {
	fmt.Println(experiments.Tables(recipes.Files))
	fmt.Println(experiments.Presets())
	// Output:
	// [ablation main memory pretraining rank]
	// [tiny smollm2 paper released]
}

// Run makes two rows of a table, here with settings so small that the figures mean nothing. It writes the table and a
// record of each run.
func ExampleRun() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := experiments.Run(context.Background(), "memory", experiments.Options{
		Recipes: recipes.Files, Preset: "tiny", Output: dir, Seeds: 1, Only: []string{"lora-8", "mora-8"}, Log: zerolog.Nop(),
		Settings: []string{"max_steps=1", "warmup_steps=0", "task_options.pairs=2", "per_device_train_batch_size=2", "search={learning_rate: [0.003]}", "learning_rate=0.003",
			"eval_steps=1", "eval_examples=1", "save_steps=0", "target_modules=[q_proj]"},
	}); err != nil {
		log.Fatal(err)
	}
	for _, pattern := range []string{"memory.*", "rows/*.json"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			log.Fatal(err)
		}
		for _, f := range files {
			name, err := filepath.Rel(dir, f)
			if err != nil {
				log.Fatal(err)
			}
			row, _, _ := strings.Cut(filepath.ToSlash(name), ".seed-") // after the seed comes the digest of the settings
			fmt.Println(row)
		}
	}
	// Output:
	// memory.csv
	// memory.md
	// memory.png
	// memory.svg
	// rows/lora-8
	// rows/mora-8
}
