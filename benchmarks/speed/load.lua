-- wrk's half of benchmarks/speed/load.py: sends the requests of a file in turn, and looks at every answer.
-- Arguments: the file (each request after a line with its length), the status that is right, a text that
-- must stand in the body or in the header that is named last.
local requests, sent = {}, 0
local status, marker, header
local worker

function setup(thread)
  worker = thread
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for length in function() return file:read("*l") end do
    requests[#requests + 1] = file:read(tonumber(length))
  end
  file:close()
  status, marker, header = tonumber(args[2]), args[3], args[4]
  wrong = 0
end

function request()
  sent = sent % #requests + 1
  return requests[sent]
end

function response(got, headers, body)
  local text = header and (headers[header] or "") or body
  if got ~= status or not string.find(text, marker, 1, true) then
    wrong = wrong + 1
  end
end

function done(summary, latency)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\n{"requests": %d, "wrong": %d, "seconds": %f, "p50": %f, "p99": %f}\n',
    summary.requests, worker:get("wrong") + lost, summary.duration / 1e6,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
