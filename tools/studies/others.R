# What lme4, ordinal and BradleyTerry2 estimate of one data set: Rscript others.R given.json found.json
arguments <- commandArgs(trailingOnly = TRUE)
given <- jsonlite::fromJSON(arguments[1])
ends <- range(given$strengths)
scaled <- (given$strengths - mean(ends)) / (diff(ends) / 2)
left <- scaled[given$left + 1]
right <- scaled[given$right + 1]
data <- data.frame(
  person = factor(given$person), answer = given$answer, linear = right - left, square = right^2 - left^2
)
found <- list(r = as.character(getRversion()))
if (given$categories == 2) {
  fit <- lme4::glmer(answer ~ 1 + linear + square + (0 + linear | person), data, binomial, nAGQ = 15)
  found$lme4 <- list(
    version = as.character(packageVersion("lme4")), fixed = unname(lme4::fixef(fit)),
    errors = unname(sqrt(diag(as.matrix(vcov(fit))))),
    deviation = unname(attr(lme4::VarCorr(fit)$person, "stddev")), log_likelihood = as.numeric(logLik(fit))
  )
  fit <- BradleyTerry2::BTm(
    outcome = data$answer, player1 = data.frame(strength = factor(given$right, 0:5), side = 1),
    player2 = data.frame(strength = factor(given$left, 0:5), side = 0), formula = ~ strength + side, id = "strength"
  )
  found$BradleyTerry2 <- list(
    version = as.character(packageVersion("BradleyTerry2")), names = names(coef(fit)),
    abilities = unname(coef(fit)), log_likelihood = as.numeric(logLik(fit))
  )
} else {
  data$answer <- ordered(data$answer)
  fit <- ordinal::clmm(answer ~ linear + square + (0 + linear | person), data, threshold = "symmetric")
  cuts <- as.numeric(fit$Theta)
  found$ordinal <- list(
    version = as.character(packageVersion("ordinal")), fixed = c(-mean(cuts), unname(fit$beta)),
    thresholds = cuts - mean(cuts), deviation = unname(as.numeric(attr(ordinal::VarCorr(fit)$person, "stddev"))),
    log_likelihood = as.numeric(fit$logLik)
  )
}
writeLines(jsonlite::toJSON(found, digits = 8, auto_unbox = TRUE), arguments[2])
