-- Asks Keybearer about a request, for haproxy.cfg. Needs HAProxy 2.6 or later, and nothing else.
-- On another machine: its address and port, such as ipv4@192.0.2.7:8080.
local server = "unix@/run/keybearer/http.sock"

-- The client's headers that Keybearer needs; no others are sent.
local asked = { "authorization", "x-api-key", "user-agent", "origin", "access-control-request-method" }
local returned = {
	keybearer_key_id = "x-auth-key-id",
	keybearer_owner = "x-auth-owner",
	keybearer_owner_id = "x-auth-owner-id",
	keybearer_scopes = "x-auth-scopes",
	keybearer_identity = "x-auth-identity",
	keybearer_challenge = "www-authenticate",
	keybearer_retry_after = "retry-after",
}

core.register_action("keybearer", { "http-req" }, function(txn)
	-- Until there is an answer, the request must not pass.
	txn:set_var("txn.keybearer_status", "503")
	local sent = txn.http:req_get_headers()
	local headers = { ["x-forwarded-for"] = { txn.sf:src() }, ["x-forwarded-method"] = { txn.sf:method() } }
	for _, name in ipairs(asked) do
		local lines = sent[name]
		if lines then
			headers[name] = {}
			-- All lines of the header, so that Keybearer sees a repeated one.
			for i = 0, #lines do
				table.insert(headers[name], lines[i])
			end
		end
	end
	local answer = core.httpclient():get({
		-- The host is not looked up.
		url = "http://127.0.0.1/auth?policy=" .. txn:get_var("txn.policy"),
		dst = server,
		headers = headers,
		timeout = 2000,
	})
	if not answer or not answer.status or answer.status == 0 then
		return
	end
	for name, header in pairs(returned) do
		local lines = answer.headers and answer.headers[header]
		txn:set_var("txn." .. name, lines and lines[0] or "")
	end
	txn:set_var("txn.keybearer_body", answer.body or "")
	txn:set_var("txn.keybearer_status", tostring(answer.status))
end, 0)
