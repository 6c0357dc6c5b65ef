package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/caarlos0/env/v11"
	"github.com/jackc/pgx/v5"

	"daybook/adapters/eventstoredb"
)

// Config is everything an operator can set. It is read from the environment and printed by `daybook config`.
type Config struct {
	Listen              string        `env:"DAYBOOK_LISTEN"                envDefault:"127.0.0.1:8080" help:"address of the HTTP server"`
	Data                string        `env:"DAYBOOK_DATA"                  envDefault:"./.daybook"     help:"folder of the embedded event store, keys and the private Postgres"`
	StoreListen         string        `env:"DAYBOOK_STORE_LISTEN"          envDefault:"127.0.0.1:2113" help:"where the embedded event store is offered for reading, over EventStoreDB's protocol; or off. It knows no users: whoever reaches the address can read everything"`
	EventStore          string        `env:"DAYBOOK_EVENTSTORE"            help:"connection string of an EventStoreDB, esdb://…; unset: the embedded event store" secret:"true"`
	DatabaseURL         string        `env:"DATABASE_URL"                  help:"Postgres for read models; unset: a private server" secret:"true"`
	VaultURL            string        `env:"DAYBOOK_VAULT_URL"             help:"Postgres for keys and identities; unset: a database of its own beside the read models" secret:"true"`
	VaultKey            string        `env:"DAYBOOK_VAULT_KEY"             help:"base64 of the 32 bytes that open the vault; unset: a file in the data folder" secret:"true"`
	AdminToken          string        `env:"DAYBOOK_ADMIN_TOKEN"           help:"the operator's bearer token of the API, or, for verbs, a user's key; unset: generated and printed" secret:"true"`
	WhatsAppAppSecrets  []string      `env:"DAYBOOK_WHATSAPP_APP_SECRET"   help:"app secrets that may sign webhooks, comma-separated" secret:"true"`
	WhatsAppVerifyToken string        `env:"DAYBOOK_WHATSAPP_VERIFY_TOKEN" help:"token of the webhook handshake" secret:"true"`
	WhatsAppToken       string        `env:"DAYBOOK_WHATSAPP_TOKEN"        help:"access token of the platform's Graph API; unset: this process sends nothing and fetches no files, and messages wait" secret:"true"`
	WhatsAppURL         string        `env:"DAYBOOK_WHATSAPP_URL"          envDefault:"https://graph.facebook.com/v24.0" help:"where the Graph API is, with its version"`
	CampaignRate        int           `env:"DAYBOOK_CAMPAIGN_RATE"         envDefault:"80"             help:"how many recipients a second a campaign writes to, as many as its number sends to; 0: all at once"`
	ProjectionConfirm   bool          `env:"DAYBOOK_PROJECTION_CONFIRM"    envDefault:"false"          help:"whether the new version of a projection waits for daybook projection go-live, even where the one that is read is of a version that this binary cannot read"`
	ProjectionAudit     time.Duration `env:"DAYBOOK_PROJECTION_AUDIT" envDefault:"1h" help:"how often the rows of each projection are compared with the log, behind all other work; 0: never"`
	Process             string        `env:"DAYBOOK_PROCESS"               help:"name of this process where it says who works on what; unset: the name of the host"`
	OTLPEndpoint        string        `env:"OTEL_EXPORTER_OTLP_ENDPOINT"   help:"where traces are sent, over OTLP/HTTP, http://…; unset: nowhere. The other variables of OpenTelemetry's exporter count too"`
	LogLevel            string        `env:"DAYBOOK_LOG"                   envDefault:"info"           help:"what the log says: debug, info, warn or error"`
	URL                 string        `env:"DAYBOOK_URL"                   help:"where the verbs of the command line find a running server; unset: DAYBOOK_LISTEN"`
}

// maxProcess bounds the name of a process: it is in rows and tables.
const maxProcess = 100

// off, for an address, means that nothing listens.
const off = "off"

// LoadConfig reads and validates the environment.
func LoadConfig() (Config, error) {
	var c Config
	if err := env.Parse(&c); err != nil {
		return Config{}, fmt.Errorf("reading configuration: %w", err)
	}
	if c.Process == "" {
		host, err := os.Hostname()
		if err != nil {
			return Config{}, fmt.Errorf("DAYBOOK_PROCESS is unset, and the host has no name: %w", err)
		}
		c.Process = host
	}
	return c, c.Validate()
}

// Validate names every setting that cannot work, and the rule it breaks.
func (c Config) Validate() error {
	var problems []error
	bad := func(name, rule string, arguments ...any) {
		problems = append(problems, fmt.Errorf(name+": "+rule, arguments...))
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("DAYBOOK_LISTEN", "%q is not host:port", c.Listen)
	}
	if c.CampaignRate < 0 {
		bad("DAYBOOK_CAMPAIGN_RATE", "%d is negative", c.CampaignRate)
	}
	if c.ProjectionAudit < 0 {
		bad("DAYBOOK_PROJECTION_AUDIT", "%s is negative", c.ProjectionAudit)
	}
	if c.StoreListen != off {
		if _, _, err := net.SplitHostPort(c.StoreListen); err != nil {
			bad("DAYBOOK_STORE_LISTEN", "%q is neither host:port nor off", c.StoreListen)
		}
	}
	if c.Data == "" {
		bad("DAYBOOK_DATA", "must name a folder")
	}
	if err := eventstoredb.Check(c.EventStore); c.EventStore != "" && err != nil {
		bad("DAYBOOK_EVENTSTORE", "%w", err)
	}
	for name, value := range map[string]string{"DATABASE_URL": c.DatabaseURL, "DAYBOOK_VAULT_URL": c.VaultURL} {
		if _, err := pgx.ParseConfig(value); value != "" && err != nil {
			bad(name, "is not a Postgres connection string") // the parser's error could hold the password
		}
	}
	c.validateCalls(bad)
	if strings.ContainsFunc(c.Process, func(r rune) bool { return !unicode.IsPrint(r) }) || len(c.Process) > maxProcess {
		bad("DAYBOOK_PROCESS", "must be printable and at most %d bytes long", maxProcess)
	}
	if u := webAddress(c.OTLPEndpoint); c.OTLPEndpoint != "" && (u == nil || u.User != nil) {
		bad("OTEL_EXPORTER_OTLP_ENDPOINT", "is not an http:// or https:// address without a user") // not shown: it could hold a password
	}
	if _, err := c.logLevel(); err != nil {
		bad("DAYBOOK_LOG", "%q is not debug, info, warn or error", c.LogLevel)
	}
	for i, secret := range c.WhatsAppAppSecrets {
		if secret == "" {
			bad("DAYBOOK_WHATSAPP_APP_SECRET", "secret %d is empty", i+1)
		}
	}
	return errors.Join(problems...)
}

// validateCalls checks where others are called, and with what.
func (c Config) validateCalls(bad func(name, rule string, arguments ...any)) {
	for name, token := range map[string]string{"DAYBOOK_ADMIN_TOKEN": c.AdminToken, "DAYBOOK_WHATSAPP_TOKEN": c.WhatsAppToken} {
		if strings.ContainsFunc(token, unicode.IsSpace) {
			bad(name, "must not contain white space")
		}
	}
	for name, address := range map[string]string{"DAYBOOK_URL": c.URL, "DAYBOOK_WHATSAPP_URL": c.WhatsAppURL} {
		if address != "" && webAddress(address) == nil {
			bad(name, "%q is not an http:// or https:// address", address)
		}
	}
}

// webAddress reads an address of the web, nil if it is none.
func webAddress(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return u
}

func (c Config) logLevel() (level slog.Level, err error) {
	return level, level.UnmarshalText([]byte(cmp.Or(c.LogLevel, "info")))
}

// Print writes one setting a line, secrets as set or unset only.
func (c Config) Print(w io.Writer) error {
	value := reflect.ValueOf(c)
	for field, v := range value.Fields() {
		shown := fmt.Sprint(v.Interface())
		if field.Tag.Get("secret") == "true" {
			shown = "(unset)"
			if !v.IsZero() {
				shown = "(set)"
			}
		}
		if _, err := fmt.Fprintf(w, "%-30s %-18s # %s\n", field.Tag.Get("env"), shown, field.Tag.Get("help")); err != nil {
			return err
		}
	}
	return nil
}

// ServerURL is where the verbs of the command line find a running server.
func (c Config) ServerURL() string {
	if c.URL != "" {
		return strings.TrimSuffix(c.URL, "/")
	}
	return "http://" + c.Listen
}
