package main

import (
	"fmt"
	"math"
	"os/signal"

	"github.com/spagotune/spagotune/finetune"
)

// verifyCmd compares a model with a reference.
type verifyCmd struct {
	Model     string  `required:"" placeholder:"DIR" help:"Hugging Face folder, or \"embedded\"."`
	Adapter   string  `placeholder:"DIR" help:"Adapter's folder."`
	Reference string  `required:"" placeholder:"FILE" help:"safetensors file with input_ids and what to compare: logits, loss (with labels), grad.PARAMETER."`
	Tolerance float64 `default:"1e-3" help:"Largest difference: of logits and loss itself, of gradients over their largest magnitude."`
	JSON      bool    `name:"json" help:"Print JSON."`
	threadsFlag
}

// Help is shown by --help.
func (verifyCmd) Help() string {
	return `Exit code 1 says that a difference is beyond the tolerance, or that nothing could be compared. What the file lacks is
skipped. Rows are padded on the right; logits are looked at where attention_mask is 1.

Examples:
  finetune verify --model smollm2 --reference reference.safetensors
  finetune verify --model smollm2 --adapter run --reference reference.safetensors --tolerance 1e-4

A reference, made with Python:
  out = model(input_ids=ids, attention_mask=mask, labels=labels); out.loss.backward()
  save_file({"input_ids": ids, "attention_mask": mask, "labels": labels, "loss": out.loss.detach().reshape(1),
    "logits": out.logits.detach(), **{"grad." + n: p.grad for n, p in model.named_parameters() if p.grad is not None}},
    "reference.safetensors")`
}

// Run prints the report; it fails where a difference is beyond the tolerance.
func (c *verifyCmd) Run(g *globals) error {
	signal.Reset() // there is nothing to tidy up: Ctrl-C ends it at once
	if math.IsNaN(c.Tolerance) || c.Tolerance < 0 {
		return fmt.Errorf("--tolerance is %g; want 0 or more", c.Tolerance)
	}
	l, err := c.open(g.Ctx, c.Model, c.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	report, err := finetune.Verify(l.Model, l.Adapter, c.Reference)
	if err != nil {
		return err
	}
	worst, bad := report.Beyond(c.Tolerance)
	if c.JSON {
		err = g.print(map[string]any{"ok": bad == 0, "tolerance": c.Tolerance, "comparisons": report})
	} else {
		c.text(g, report)
	}
	if err == nil && bad > 0 {
		err = fmt.Errorf("verify: %d of %d differ by more than %g; the worst is %s with %.3g", bad, len(report), c.Tolerance, worst.Name, worst.Difference)
	}
	return err
}

func (c *verifyCmd) text(g *globals, report finetune.Report) {
	for _, kind := range []string{"logits", "loss", "grad."} {
		worst, n := report.Worst(kind)
		switch {
		case n == 0:
			g.printf("%-9s  not in the file\n", kind)
		case kind == "grad.":
			g.printf("gradients  %.3g relative, the largest of %d: %s\n", worst.Difference, n, worst.Name)
		default:
			g.printf("%-9s  %.3g absolute, the largest of %d values\n", kind, worst.Difference, worst.Values)
		}
	}
	if _, bad := report.Beyond(c.Tolerance); bad == 0 {
		g.printf("all within %g\n", c.Tolerance)
	}
}
