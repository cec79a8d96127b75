package spagotune_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestSlurmScripts checks the scripts in deploy with bash, and with shellcheck where it is there.
func TestSlurmScripts(t *testing.T) {
	inputs(t, "deploy")
	scripts, err := filepath.Glob("deploy/*.slurm")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, lint := range [][]string{{"bash", "-n"}, {"shellcheck", "--shell=bash"}} {
		for _, script := range scripts {
			out, err := exec.Command(lint[0], append(lint[1:], script)...).CombinedOutput()
			if errors.Is(err, exec.ErrNotFound) {
				t.Logf("%s is not there", lint[0])
			} else if err != nil {
				t.Errorf("%s %s: %v\n%s", lint[0], script, err, out)
			}
		}
	}
}

// TestManifests checks that the manifests in deploy are YAML of the kinds that they are named after, and that what their Pods mount
// is there.
func TestManifests(t *testing.T) {
	inputs(t, "deploy")
	for name, kinds := range map[string][]string{
		"mpijob.yaml":      {"kubeflow.org/v2beta1 MPIJob"},
		"trainjob.yaml":    {"trainer.kubeflow.org/v1alpha1 ClusterTrainingRuntime", "trainer.kubeflow.org/v1alpha1 TrainJob"},
		"indexed-job.yaml": {"batch/v1 Job"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("deploy", name))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for part := range strings.SplitSeq(string(text), "\n---\n") {
				var doc map[string]any
				if err := yaml.UnmarshalWithOptions([]byte(part), &doc, yaml.Strict()); err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprint(doc["apiVersion"], " ", doc["kind"]))
				if metadata, ok := doc["metadata"].(map[string]any); !ok || metadata["name"] == nil {
					t.Errorf("%v has no name", doc["kind"])
				}
				if _, ok := doc["spec"].(map[string]any); !ok {
					t.Errorf("%v has no spec", doc["kind"])
				}
				checkPods(t, doc)
			}
			if !slices.Equal(got, kinds) {
				t.Errorf("kinds %q, want %q", got, kinds)
			}
		})
	}
}

// checkPods looks for the specs of Pods in a value of a manifest: their containers have a name and an image, and mount volumes that
// are there.
func checkPods(t *testing.T, value any) {
	t.Helper()
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			checkPods(t, e)
		}
	case map[string]any:
		for _, e := range v {
			checkPods(t, e)
		}
		containers, ok := v["containers"].([]any)
		if !ok {
			return
		}
		volumes := map[any]bool{}
		if all, ok := v["volumes"].([]any); ok {
			for _, volume := range all {
				volumes[volume.(map[string]any)["name"]] = true
			}
		}
		for _, c := range containers {
			c := c.(map[string]any)
			if c["name"] == nil || c["image"] == nil {
				t.Errorf("a container has no name or no image: %v", c)
			}
			mounts, _ := c["volumeMounts"].([]any)
			for _, m := range mounts {
				if name := m.(map[string]any)["name"]; !volumes[name] {
					t.Errorf("container %v mounts %v, which is not a volume", c["name"], name)
				}
			}
		}
	}
}

// TestDefaultProgramIsStatic checks that the command has no code for MPI without the tag, and has it with the tag.
func TestDefaultProgramIsStatic(t *testing.T) {
	inputs(t, ".")
	for tags, want := range map[string]bool{"": false, "mpi": true} {
		c := exec.Command("go", "list", "-deps", "-tags", tags, "./cmd/finetune")
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got := strings.Contains(string(out), "github.com/ebitengine/purego\n"); got != want {
			t.Errorf("tags %q: depends on purego: %t, want %t", tags, got, want)
		}
	}
}
