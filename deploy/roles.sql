-- The database and its two roles. PostgreSQL 14 and its psql 15 or newer, as a superuser:
--   runuser -u postgres -- psql -v ON_ERROR_STOP=1 < deploy/roles.sql
-- latchkey_owner owns the schema and migrates it: MIGRATION_DATABASE_URL. latchkey is the application, and changes no
-- table: DATABASE_URL. What it may do with each of them, the migrations grant. Passwords are taken from
-- LATCHKEY_OWNER_PASSWORD and LATCHKEY_PASSWORD where these are set; else give them with \password afterwards.

\if :{?database} \else \set database latchkey \endif
\if :{?owner} \else \set owner latchkey_owner \endif
\if :{?application} \else \set application latchkey \endif
\getenv owner_password LATCHKEY_OWNER_PASSWORD
\getenv application_password LATCHKEY_PASSWORD

CREATE ROLE :"owner" LOGIN;
CREATE ROLE :"application" LOGIN;
\if :{?owner_password}
    ALTER ROLE :"owner" PASSWORD :'owner_password';
\endif
\if :{?application_password}
    ALTER ROLE :"application" PASSWORD :'application_password';
\endif

CREATE DATABASE :"database" OWNER :"owner" TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"application";

\connect :"database"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO :"owner";
