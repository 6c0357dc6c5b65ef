package postgres

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// systemDir holds the clusters of data directories that root owns.
const systemDir = "/var/lib/daybook"

// Files in a data directory. Both are written before a cluster is made; the place gets a second line until it is made.
const (
	secretFile = "postgres.password"
	placeFile  = "postgres.place"
	unmade     = "being made"
)

// secretLength is the least that is taken for a secret.
const secretLength = 32

// locate finds the cluster of a data directory: where the directory says, or else where a new one goes.
func locate(cfg ServerConfig) (cluster, error) {
	owner, err := runAs()
	if err != nil {
		return cluster{}, err
	}
	base, made, err := rememberedPlace(cfg.DataDir)
	if err != nil {
		return cluster{}, err
	}
	if made {
		return rememberedCluster(cfg.DataDir, cluster{base: base, owner: owner, remembered: true})
	}
	if base == "" {
		base, err = newPlace(cfg, owner)
	}
	if err != nil {
		return cluster{}, err
	}
	if err = makeDir(base, 0o700); err != nil {
		return cluster{}, err
	}
	c := cluster{base: base, owner: owner}
	return c, c.give(base)
}

// rememberedCluster refuses to go on without a cluster that was there: a new one would have an empty vault.
func rememberedCluster(dataDir string, c cluster) (cluster, error) {
	major, err := c.major()
	if err != nil {
		return cluster{}, fmt.Errorf("looking for the database of %s: %w", dataDir, err)
	}
	if major == 0 {
		return cluster{}, fmt.Errorf("the database of %s is missing: it was in %s and holds the vault, without which nothing "+
			"sealed can be read; put that directory back, or restore it from a backup", dataDir, c.data())
	}
	return c, nil
}

// newPlace says where a cluster goes that no data directory remembers. Root's clusters live apart, because a data
// directory in root's home is unreadable to the server's user.
func newPlace(cfg ServerConfig, owner *account) (string, error) {
	if cfg.ClusterDir != "" {
		return filepath.Abs(cfg.ClusterDir)
	}
	if owner == nil {
		return filepath.Join(cfg.DataDir, "postgres"), nil
	}
	if err := makeDir(systemDir, 0o755); err != nil { // traversed by the unprivileged user
		return "", err
	}
	sum := sha256.Sum256([]byte(cfg.DataDir))
	base := filepath.Join(systemDir, hex.EncodeToString(sum[:8]))
	secret, err := readSecret(cfg.DataDir)
	if err != nil || secret != "" { // from when places were not noted
		return base, err
	}
	return freePlace(base)
}

// freePlace avoids the cluster of another data directory, which had this one's path and was moved since, or deleted.
func freePlace(base string) (string, error) {
	for name, n := base, 2; ; name, n = fmt.Sprintf("%s-%d", base, n), n+1 {
		taken, err := exists(filepath.Join(name, "data"))
		if err != nil || !taken {
			return name, err
		}
	}
}

// rememberedPlace is the cluster's directory as the data directory has it, "" if it says nothing, and whether there is a
// cluster yet.
func rememberedPlace(dataDir string) (base string, made bool, _ error) {
	path := filepath.Join(dataDir, placeFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	base, state, _ := strings.Cut(strings.TrimSpace(string(content)), "\n")
	if base == "" {
		return "", false, fmt.Errorf("%s does not name the directory of the database", path)
	}
	if !filepath.IsAbs(base) {
		base = filepath.Join(dataDir, base)
	}
	return base, state != unmade, nil
}

// remember notes the cluster's directory in the data directory, which may be moved: relative to it if it is inside.
func (c cluster) remember(dataDir string, made bool) error {
	text := c.base + "\n"
	if inside, err := filepath.Rel(dataDir, c.base); err == nil && filepath.IsLocal(inside) {
		text = inside + "\n"
	}
	if !made {
		text += unmade + "\n"
	}
	if err := writeDurably(filepath.Join(dataDir, placeFile), text); err != nil {
		return fmt.Errorf("noting where the database is: %w", err)
	}
	return nil
}

// readSecret reads the secret that the roles' passwords are derived from, "" if there is none.
func readSecret(dataDir string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dataDir, secretFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	secret := strings.TrimSpace(string(content))
	if err != nil || len(secret) < secretLength {
		return "", err
	}
	return secret, nil
}

func newSecret(dataDir string) (string, error) {
	secret := rand.Text() + rand.Text()
	return secret, writeDurably(filepath.Join(dataDir, secretFile), secret+"\n")
}
