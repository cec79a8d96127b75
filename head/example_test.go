package head_test

import (
	"fmt"

	"github.com/spagotune/spagotune/head"
)

// The number of labels decides the problem, unless it is named.
func ExampleConfig_Problem() {
	c := head.Config{Kind: head.SequenceClassification, Labels: []string{"score"}}
	fmt.Println(c.Problem())
	c.Labels = []string{"no", "yes"}
	fmt.Println(c.Problem())
	c.ProblemType = head.MultiLabel
	fmt.Println(c.Problem())
	// Output:
	// regression
	// single_label_classification
	// multi_label_classification
}
