# The front door: `make run` serves, `make test` checks everything. The work is done by the scripts in deploy/local,
# which say at their top what they need and leave behind.

.PHONY: help run test setup build migrate token schema openapi lint cargo-test check-tree lint-openapi peers contract bench bench-imports
# rustup puts cargo where a shell that is not a login shell does not look.
export PATH := $(PATH):$(HOME)/.cargo/bin

# The targets share one checkout, one cargo and two cores.
.NOTPARALLEL:

help:
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 22

run: ## install what is missing, start PostgreSQL and serve on 127.0.0.1:8080
	@deploy/local/run.sh

test: ## everything that CI checks
	@deploy/local/test.sh

setup: ## install the tools that the checks need
	@deploy/local/setup.sh

build: ## the debug build
	cargo build --workspace --locked

migrate: ## bring the schema of the database of `make run` up to date
	@deploy/local/run.sh migrate

token: ## print a token of a local administrator
	@deploy/local/run.sh token

schema: ## write schema.rs anew from db/migrations
	@deploy/local/schema.sh

# Under another name until it is complete: an empty document would fail everything that reads it.
openapi: build ## write openapi/v1.json anew from the code
	@mkdir -p .local
	$${CARGO_TARGET_DIR:-target}/debug/openapi > .local/v1.json.new
	@mv .local/v1.json.new openapi/v1.json

lint: ## formatting and lints
	@deploy/local/lint.sh

# Some tests run the program itself, which cargo test does not build.
cargo-test: build ## the tests, beside a throw-away PostgreSQL
	@deploy/local/with-postgres.sh cargo test --workspace --locked

check-tree: ## fail when a generated file is out of date
	@deploy/local/check-tree.sh

lint-openapi: ## the public linters on openapi/v1.json
	@openapi/rules/lint.sh openapi/v1.json

peers: ## let OAuth, OpenID Connect, calendar, office and compliance software of others call a running service
	@deploy/local/peers.sh

contract: ## call every operation of a running service
	@deploy/local/contract.sh

bench: ## time lists over 100 000 made-up products and citations
	@bench/run.sh

bench-imports: ## time imports over HTTP, and show the memory that they take
	@bench/imports.sh
