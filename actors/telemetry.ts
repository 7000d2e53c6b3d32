/**
 * Imported before ONNX Runtime: its builds report every session to their maker over HTTPS and leave
 * files in the temporary folder. User data is processed here, so none of that, whatever was set.
 */
process.env["ORT_DISABLE_TELEMETRY"] = "1";
