package metric_test

import (
	"fmt"

	"github.com/spagotune/spagotune/tasks/metric"
)

// CoNLL-2003's tags are IOB1: an entity begins with I where nothing else is before it.
func ExampleEntities() {
	gold := [][]string{{"I-PER", "I-PER", "O", "I-ORG", "B-ORG"}}
	predicted := [][]string{{"I-PER", "I-PER", "O", "I-ORG", "I-ORG"}}
	s, err := metric.Entities(predicted, gold)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("precision %.2f, recall %.2f, F1 %.2f\n", s.Micro.Precision(), s.Micro.Recall(), s.Micro.F1())
	// Output: precision 0.50, recall 0.33, F1 0.40
}
